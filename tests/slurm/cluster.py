"""One virtual Slurm cluster: boots it, breaks it in the ways that clusters break, removes it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.slurm import configuration
from tests.slurm.configuration import (
    ACCOUNT,
    CLUSTER,
    DATABASE,
    Folders,
    Shape,
    free_block,
    node_names,
)
from tests.slurm.daemons import ClusterBroken, Daemon, job_processes, kill, wait_until
from tests.slurm.packages import install_packages

HOST = socket.gethostname().split(".")[0]


@dataclass(frozen=True, slots=True)
class VirtualCluster:
    """One cluster, up or down. Its shape is on disk, so that any process can steer it."""

    root: Path

    @property
    def folders(self) -> Folders:
        return Folders(self.root)

    @property
    def shape(self) -> Shape:
        return Shape(**json.loads((self.root / "shape.json").read_text()))

    @property
    def environment(self) -> dict[str, str]:
        """Return what a shell must export to use this cluster."""
        return {"SLURM_CONF": str(self.folders.slurm_conf), "AIRR_SLURM_ROOT": str(self.root)}

    def run(self, *argv: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a Slurm command against this cluster; its exit status is the caller's to judge."""
        return subprocess.run(
            argv,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def up(self, shape: Shape) -> None:
        """Boot everything in place of what is left there; return when every node is idle."""
        install_packages(accounting=shape.accounting)
        self.down()
        self._write(shape)
        munge = self.daemon("munged")
        munge.start()
        wait_until("munge to answer", lambda: self._succeeds("munge", "-n", "-S", munge.argv[2]))
        if shape.accounting:
            self.start_accounting()
        self.start_controller()
        for node in node_names(shape):
            self.start_node(node)
        wait_until("all nodes to be idle", self._all_idle)

    def down(self) -> None:
        """End every process of the cluster, jobs included, and remove its folder."""
        if (self.root / "shape.json").exists():
            nodes = [f"slurmd-{node}" for node in node_names(self.shape)]
            for name in ("slurmctld", *nodes, "slurmdbd", "mariadb", "munged"):
                self.daemon(name).kill()
            kill(job_processes(self.root, self.folders.slurm_conf))
        shutil.rmtree(self.root, ignore_errors=True)

    def crash_node(self, node: str) -> None:
        """Let a node vanish as if it lost power: slurmd, steps and jobs, at one instant.

        Any survivor, such as an srun of the batch script, would still report to the controller,
        and the job would end as FAILED instead of NODE_FAIL.
        """
        slurmd = self.daemon(f"slurmd-{node}").process()
        jobs = job_processes(self.root, self.folders.slurm_conf, node)
        kill([*([slurmd] if slurmd else []), *jobs])

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self.daemon(f"slurmd-{node}").start()

    def start_controller(self) -> None:
        """Start slurmctld, and wait until it answers."""
        self.daemon("slurmctld").start()
        wait_until("slurmctld to answer", lambda: self._succeeds("scontrol", "ping"))

    def saved_at(self) -> float:
        """Return when the controller last wrote its jobs to disk, in seconds of the epoch."""
        state = self.root / "state" / "job_state"
        return state.stat().st_mtime if state.exists() else 0

    def start_accounting(self) -> None:
        """Start MariaDB and slurmdbd, and see to it that the cluster and its users are known."""
        if not self.folders.database.exists():
            self._make_database()
        self.daemon("mariadb").start()
        wait_until("MariaDB to answer", lambda: self._succeeds(*self._sql("select 1")))
        password = (self.root / "etc" / "password").read_text()
        self._must(
            *self._sql(
                f"create database if not exists {DATABASE};"
                f"create user if not exists slurm@'127.0.0.1' identified by '{password}';"
                f"grant all on {DATABASE}.* to slurm@'127.0.0.1';"
            )
        )
        self.daemon("slurmdbd").start()
        wait_until("slurmdbd to answer", lambda: self._succeeds("sacctmgr", "-n", "show", "user"))
        if ACCOUNT not in self.run("sacctmgr", "-n", "show", "account").stdout:
            self._register()

    def _register(self) -> None:
        """Make the cluster, an account for root and nobody, and a QOS with a submit limit."""
        manage = ("sacctmgr", "-i", "-Q", "add")
        self._must(*manage, "cluster", CLUSTER)
        self._must(*manage, "qos", "short", "MaxSubmitJobsPerUser=4", "MaxWall=10")
        self._must(*manage, "account", ACCOUNT, f"Cluster={CLUSTER}")
        for user in ("root", "nobody"):
            self._must(*manage, "user", user, f"Account={ACCOUNT}", "QOS=normal,short")
        # root has an account of its own by birth, which lacks the QOS
        default = ("modify", "user", "root", "set", f"DefaultAccount={ACCOUNT}")
        self._must("sacctmgr", "-i", "-Q", *default)

    def daemon(self, name: str) -> Daemon:
        """Return one of munged, mariadb, slurmdbd, slurmctld, slurmd-<node>."""
        return Daemon(
            name=name,
            program="mariadbd" if name == "mariadb" else name.partition("-")[0],
            argv=self._argv(name),
            pid_file=self.folders.pid(name),
            log=self.root / "log" / f"{name}.out",
            environment=self.environment,
        )

    def _argv(self, name: str) -> tuple[str, ...]:
        match name.partition("-"):
            case "slurmd", _, node:
                return ("slurmd", "-N", node)
            case "munged", _, _:
                return self._munged()
            case "mariadb", _, _:
                return self._mariadb()
            case _:
                return (name,)

    def _munged(self) -> tuple[str, ...]:
        folders = self.folders
        return (
            "munged",
            "--socket",
            str(folders.munge),
            f"--key-file={folders.key}",
            f"--pid-file={folders.pid('munged')}",
            f"--log-file={folders.log('munged')}",
            f"--seed-file={self.root}/run/munged.seed",
        )

    def _mariadb(self) -> tuple[str, ...]:
        # no flush, no doublewrite: what a test database loses in a crash, nobody misses
        folders = self.folders
        return (
            *("setsid", "--fork", "mariadbd", "--no-defaults", "--user=root"),
            f"--datadir={folders.database}",
            f"--socket={folders.sql}",
            f"--pid-file={folders.pid('mariadb')}",
            f"--port={folders.port(2)}",
            *("--bind-address=127.0.0.1", "--skip-name-resolve", "--performance-schema=0"),
            *("--innodb-buffer-pool-size=128M", "--innodb-lock-wait-timeout=900"),
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"),
        )

    def _sql(self, statement: str) -> tuple[str, ...]:
        return ("mariadb", "--no-defaults", "-S", str(self.folders.sql), "-e", statement)

    def _make_database(self) -> None:
        self._must(
            *("mariadb-install-db", "--no-defaults", "--user=root", "--skip-test-db"),
            f"--datadir={self.folders.database}",
            "--auth-root-authentication-method=socket",
        )

    def _write(self, shape: Shape) -> None:
        folders = self.folders
        for name in ("etc", "run", "log", "state", "spool", "dev"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (self.root / "ports").write_text(str(free_block()))
        # a first job id that no earlier cluster of this machine has reached: old job folders
        # must never be taken for those of new jobs
        first_job = int(time.time()) % 30000 * 2000 + 1000
        (self.root / "shape.json").write_text(json.dumps(asdict(shape)))
        folders.slurm_conf.write_text(configuration.slurm_conf(shape, folders, HOST, first_job))
        etc = folders.slurm_conf.parent
        (etc / "gres.conf").write_text(configuration.gres_conf(shape, folders))
        # nothing is confined: the machine's cgroups may be nobody's to change
        (etc / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        for number in range(shape.gpus):
            Path(f"{folders.gpu}{number}").symlink_to("/dev/null")
        for node in node_names(shape):
            folders.spool(node).mkdir()
        password = secrets.token_urlsafe(18)
        _write_private(folders.key, secrets.token_bytes(128))
        _write_private(etc / "password", password.encode())
        database = configuration.slurmdbd_conf(folders, HOST, password)
        _write_private(etc / "slurmdbd.conf", database.encode())
        _make_resolvable(HOST)

    def _all_idle(self) -> bool:
        states = self.run("sinfo", "-h", "-N", "-p", "gpu", "-o", "%t").stdout.split()
        return states == ["idle"] * self.shape.nodes

    def _succeeds(self, *argv: str) -> bool:
        return self.run(*argv).returncode == 0

    def _must(self, *argv: str) -> None:
        done = self.run(*argv)
        if done.returncode:
            raise ClusterBroken(f"{' '.join(argv)}: {done.stdout}{done.stderr}")


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _make_resolvable(host: str) -> None:
    """Enter the machine's own name in /etc/hosts where no resolver knows it."""
    try:
        socket.gethostbyname(host)
    except OSError:
        with Path("/etc/hosts").open("a") as hosts:
            hosts.write(f"127.0.0.1 {host}\n")
