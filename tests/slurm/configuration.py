"""The configuration files of a virtual Slurm cluster, as text: shape and folders in, text out.

What a cluster of several slurmd on one machine needs, and why, stands beside each setting.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

CLUSTER = "virtual"
ACCOUNT = "lab"
DATABASE = "slurm_acct_db"
BLOCK = 200
"""Ports of one cluster: 0 controller, 1 slurmdbd, 2 MariaDB, 10.. slurmd, 100.. srun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one virtual cluster looks like. `cpus`, `gpus` and `memory_mb` are those of a node."""

    nodes: int = 4
    gpus: int = 8
    cpus: int = 16
    memory_mb: int = 64000
    accounting: bool = True
    min_job_age: int = 300
    """Seconds for which the controller remembers a job that has ended."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where everything of one cluster lies, and its ports."""

    root: Path

    @property
    def slurm_conf(self) -> Path:
        return self.root / "etc" / "slurm.conf"

    @property
    def key(self) -> Path:
        return self.root / "etc" / "munge.key"

    @property
    def munge(self) -> Path:
        return self.root / "run" / "munge.socket"

    @property
    def sql(self) -> Path:
        return self.root / "run" / "mysql.sock"

    @property
    def database(self) -> Path:
        return self.root / "db"

    @property
    def gpu(self) -> Path:
        return self.root / "dev" / "fakegpu"

    def log(self, name: str) -> Path:
        return self.root / "log" / f"{name}.log"

    def pid(self, name: str) -> Path:
        return self.root / "run" / f"{name}.pid"

    def spool(self, node: str) -> Path:
        return self.root / "spool" / node

    def port(self, offset: int) -> int:
        """Return a port of this cluster's own block, chosen when it was booted."""
        return int((self.root / "ports").read_text()) + offset


def node_names(shape: Shape) -> tuple[str, ...]:
    return tuple(f"node{number}" for number in range(1, shape.nodes + 1))


def free_block() -> int:
    """Return the start of a block of ports, below the ephemeral range, that are all free."""
    blocks = range(12000, 32000, BLOCK)
    first = os.getpid() % len(blocks)  # two that boot at once should not try the same one
    for base in (*blocks[first:], *blocks[:first]):
        if all(_is_free(base + offset) for offset in range(50)):
            return base
    raise OSError("no block of free ports is left for a virtual cluster")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # a port whose last connection lingers is free: every daemon here takes it as such
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def slurm_conf(shape: Shape, folders: Folders, host: str, first_job: int) -> str:
    """Return slurm.conf: one controller, `shape.nodes` slurmd, everything on 127.0.0.1."""
    return "\n".join(
        (
            _daemons(folders, host, first_job),
            _timing(shape),
            _scheduling(shape, folders),
            _nodes(shape, folders, host),
        )
    )


def _daemons(folders: Folders, host: str, first_job: int) -> str:
    root = folders.root
    # cred_expire: a requeued job waits for the old credential to expire, 120 s by default
    return f"""\
ClusterName={CLUSTER}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={folders.port(0)}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folders.munge},cred_expire=5
CredType=cred/munge
FirstJobId={first_job}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SrunPortRange={folders.port(100)}-{folders.port(199)}
SlurmctldPidFile={folders.pid("slurmctld")}
SlurmctldLogFile={folders.log("slurmctld")}
StateSaveLocation={root}/state
SlurmdPidFile={root}/run/slurmd-%n.pid
SlurmdLogFile={root}/log/slurmd-%n.log
SlurmdSpoolDir={root}/spool/%n
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=5
PropagateResourceLimitsExcept=MEMLOCK
# the hardware is pretended: believe this file, not the machine
SlurmdParameters=config_overrides
ReturnToService=2
"""


def _timing(shape: Shape) -> str:
    return f"""\
SlurmctldTimeout=10
SlurmdTimeout=6
MessageTimeout=6
TCPTimeout=2
InactiveLimit=0
KillWait=3
MinJobAge={shape.min_job_age}
"""


def _scheduling(shape: Shape, folders: Folders) -> str:
    accounting = "AccountingStorageType=accounting_storage/none"
    if shape.accounting:
        # AccountingStoragePass is where the accounting plugin looks for the munge socket
        accounting = f"""\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={folders.port(1)}
AccountingStoragePass={folders.munge}
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations,limits,qos"""
    return f"""\
MaxJobCount=20000
MaxArraySize=1001
JobRequeue=1
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=100000,batch_sched_delay=0,\
default_queue_depth=2000,partition_job_depth=2000,bf_interval=1,bf_max_job_test=2000,\
bf_window=120,bf_resolution=30,preempt_youngest_first
PriorityType=priority/basic
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{accounting}
"""


def _nodes(shape: Shape, folders: Folders, host: str) -> str:
    gres = f" Gres=gpu:h100:{shape.gpus}" if shape.gpus else ""
    nodes = "\n".join(
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={folders.port(10 + number)}"
        f" CPUs={shape.cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={shape.cpus}"
        f" ThreadsPerCore=1 RealMemory={shape.memory_mb}{gres} State=UNKNOWN"
        for number, name in enumerate(node_names(shape))
    )
    return f"""\
{nodes}
PartitionName=gpu Nodes=ALL Default=YES DefaultTime=60 PriorityTier=10 PreemptMode=off
PartitionName=high Nodes=ALL DefaultTime=60 PriorityTier=100 PreemptMode=off
PartitionName=preempt Nodes=ALL DefaultTime=60 PriorityTier=1 PreemptMode=requeue
PartitionName=narrow Nodes=ALL MaxNodes=1 MaxTime=10 PriorityTier=10 PreemptMode=off
"""


def gres_conf(shape: Shape, folders: Folders) -> str:
    """Return gres.conf. A gpu counts only where `File=` is a device: ours link to /dev/null."""
    if not shape.gpus:
        return ""
    numbers = f"[0-{shape.gpus - 1}]" if shape.gpus > 1 else "0"
    names = ",".join(node_names(shape))
    return f"NodeName={names} Name=gpu Type=h100 File={folders.gpu}{numbers}\n"


def slurmdbd_conf(folders: Folders, host: str, password: str) -> str:
    """Return slurmdbd.conf; the daemon looks for it beside slurm.conf."""
    return f"""\
AuthType=auth/munge
AuthInfo=socket={folders.munge}
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={folders.port(1)}
SlurmUser=root
CommunicationParameters=NoInAddrAny
LogFile={folders.log("slurmdbd")}
PidFile={folders.pid("slurmdbd")}
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={folders.port(2)}
StorageUser=slurm
StoragePass={password}
StorageLoc={DATABASE}
CommitDelay=0
"""
