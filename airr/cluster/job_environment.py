"""Which variables of the submitting shell reach jobs and Slurm's commands: an allow-list.

A shell holds API keys, and a head that is itself a job holds SLURM_*, SBATCH_* and PMI*
variables that would bend the next submission. So nothing passes but what is named here and in
`cluster.pass_env`. Proxies stay out, since their addresses may carry a password; so does
TMPDIR, which names a folder of the login node.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

ALLOWED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ"),
        *("LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "CC", "CXX", "CUDA_HOME", "CUDA_PATH"),
        *("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PYTHONPATH"),
        *("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("BASH_FUNC_module%%", "BASH_FUNC_ml%%", "LOADEDMODULES", "_LMFILES_"),
        "SLURM_CONF",
    }
)
ALLOWED_PREFIXES = ("LC_", "LMOD_", "MODULE", "NCCL_", "GLOO_")


def job_environment(
    environment: Mapping[str, str], pass_env: Collection[str] = ()
) -> dict[str, str]:
    """Return the part of `environment` that jobs may see."""
    return {
        name: value
        for name, value in environment.items()
        if name in ALLOWED or name in pass_env or name.startswith(ALLOWED_PREFIXES)
    }
