"""Asks Slurm, once each and gently, whether this site can take a campaign's jobs."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Mapping, Sequence

from airr.checks.finding import Findings, failed, ok
from airr.checks.site_facts import (
    NODE_FORMAT,
    Association,
    Controller,
    parse_associations,
    parse_controller,
    parse_nodes,
    parse_partitions,
    parse_qos_limits,
    parse_version,
)
from airr.checks.site_rules import (
    NEEDED,
    Needs,
    choose_partitions,
    judge_accounting,
    judge_commands,
    judge_limits,
    judge_nodes,
    judge_preemption,
    judge_request,
    judge_time,
)
from airr.cluster.command import Answer, run_command
from airr.cluster.job_environment import job_environment
from airr.cluster.protocol import JobArray
from airr.cluster.slurm import Slurm
from airr.cluster.slurm_settings import SlurmSettings

QUERY_SECONDS = 30

SACCT = ("sacct", "--noheader", "--allocations", "--starttime=now-1hours", "--format=JobID")


class Site:
    """A Slurm site as its commands tell of it. `environment` is that of this shell."""

    def __init__(self, settings: SlurmSettings, environment: Mapping[str, str]) -> None:
        """Ask nothing yet."""
        self._settings = settings
        self._environment = environment

    async def check(self, needs: Needs, array: JobArray) -> Findings:
        """Yield what is found, in the order in which one thing rests on another.

        `array` is one of the jobs that `needs` are those of.
        """
        present = [name for name in NEEDED if self._has(name)]
        version = await self._ask("sbatch", "--version") if "sbatch" in present else None
        yield judge_commands(present, parse_version(version.stdout) if version else None)
        if len(present) < len(NEEDED):
            return
        answer = await self._ask("scontrol", "show", "config")
        if not answer.succeeded:
            remedy = "try again when it is back; `scontrol ping` tells"
            yield failed("controller", f"it does not answer: {answer.complaint}", remedy)
            return
        controller = parse_controller(answer.stdout)
        yield ok("controller", f"that of cluster '{controller.cluster}' answers")
        listed = await self._ask("scontrol", "--all", "--oneliner", "show", "partition")
        chosen, finding = choose_partitions(
            parse_partitions(listed.stdout), self._settings.partition
        )
        yield finding
        if chosen:
            where = ",".join(partition.name for partition in chosen)
            yield judge_nodes(parse_nodes(await self._nodes(where)), needs, where)
            yield judge_time(chosen, needs)
            yield judge_preemption(controller, chosen, self._settings)
        yield judge_request(array.name, await self._test(array))
        associations, qos = await self._submit_limits(controller)
        yield judge_limits(controller, chosen, associations, qos, self._settings)
        sacct = await self._ask(*SACCT) if controller.has_accounting else None
        yield judge_accounting(controller, sacct)

    async def _nodes(self, where: str) -> str:
        command = ("sinfo", "--noheader", "--Node", f"--partition={where}")
        return (await self._ask(*command, f"--format={NODE_FORMAT}")).stdout

    async def _test(self, array: JobArray) -> Answer:
        """Return what sbatch says of the very script that `submit` would submit."""
        return await run_command(
            ("sbatch", "--test-only"),
            environment=job_environment(self._environment, self._settings.pass_env),
            seconds=QUERY_SECONDS,
            stdin=Slurm(self._settings, self._environment).script(array),
        )

    async def _submit_limits(
        self, controller: Controller
    ) -> tuple[Sequence[Association], Mapping[str, int]]:
        """Return this user's accounts, and how many jobs of a user each QOS holds."""
        if not controller.has_accounting:
            return (), {}
        show = ("sacctmgr", "--noheader", "--parsable2", "--readonly", "show")
        of_user = ("associations", "where", f"user={getpass.getuser()}")
        fields = "format=Account,MaxSubmit,DefaultQOS"
        associations = await self._ask(*show, *of_user, fields)
        qos = await self._ask(*show, "qos", "format=Name,MaxSubmitPU")
        return parse_associations(associations.stdout), parse_qos_limits(qos.stdout)

    def _has(self, command: str) -> bool:
        return shutil.which(command, path=self._environment.get("PATH")) is not None

    async def _ask(self, *argv: str) -> Answer:
        return await run_command(
            argv, environment=job_environment(self._environment), seconds=QUERY_SECONDS
        )
