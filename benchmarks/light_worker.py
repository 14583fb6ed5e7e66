"""What stands in for airr's worker on a node: it waits, and leaves a result. Standard library only.

python -S light_worker.py SECONDS BATCH_JSON INDEX
"""

import json
import os
import socket
import sys
import time
from pathlib import Path

seconds, record, index = float(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
started_at = time.time()
time.sleep(seconds)
batch = json.loads(record.read_bytes())
key = batch["runs"][index]["key"]
result = {
    "key": key,
    "batch": batch["name"],
    "stage": None,
    "reason": None,
    "detail": "",
    "metric": 3.3 + sum(map(ord, key["idea_id"])) % 100 / 1000,
    "standard_error": 0.01,
    "train_seconds": seconds,
    "score_seconds": 0.0,
    "log_tail": "",
    "scorer_version": "light",
    "reported": {},
    "node": socket.gethostname(),
    "job_id": os.environ.get("SLURM_JOB_ID", ""),
    "started_at": started_at,
    "ended_at": time.time(),
}
inbox = Path(batch["inbox"])
name = f"{key['idea_id']}.r{key['repeat']}.a{key['attempt']}.json"
beside = inbox / f".{name}"
beside.write_text(json.dumps(result))
beside.rename(inbox / name)
