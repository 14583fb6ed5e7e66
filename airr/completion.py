"""A half-typed command line -> what may stand at its end, and the lines that have a shell ask.

    eval "$(python -m airr.completion bash)"       or zsh; then: python -m airr.evolve env=<TAB>

Hydra's own completion knows scripts and installed programs, but not `python -m`.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from airr.__main__ import VERBS
from airr.flags import FLAGS

BASH = r"""
_airr_completion() {
    if [[ $COMP_LINE != *" -m airr"* ]]; then
        if [[ $_airr_others ]]; then "$_airr_others" "$@"; fi
        return
    fi
    local line=${COMP_LINE:0:COMP_POINT}
    mapfile -t COMPREPLY < <("$1" -m airr.completion words "$line" 2> /dev/null)
    local word=${line##* }  # of which bash replaces only what is behind the last = or :
    COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*[=:]}"}"}")
}
if declare -F _completion_loader > /dev/null; then _completion_loader python; fi
_airr_others=$(complete -p python 2> /dev/null | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
if [[ $_airr_others == _airr_completion ]]; then _airr_others=; fi
complete -o bashdefault -o default -o nospace -F _airr_completion python python3
"""
ZSH = r"""
_airr_completion() {
    local line="${(j: :)words[1,CURRENT-1]} $PREFIX"
    if [[ $line != *" -m airr"* ]]; then
        _python "$@"
        return
    fi
    local -a found=("${(@f)$("$words[1]" -m airr.completion words "$line" 2> /dev/null)}")
    if [[ -z $found ]]; then
        compset -P '*='
        _files
        return
    fi
    local code=1
    compadd -Q -S '' -- ${found:#* } && code=0
    compadd -Q -S ' ' -- ${${(M)found:#* }% } && code=0
    return $code
}
if ! whence compdef > /dev/null; then autoload -Uz compinit && compinit; fi
compdef _airr_completion python python3
"""
SAFE = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
"""What a shell takes as it stands."""
SCRIPTS = {"bash": BASH, "zsh": ZSH}


def words_for(line: str) -> list[str]:
    """Return whole words in place of the last one of a command line, which is half typed.

    A word that is complete ends in a space. There are none where the line cannot be understood.
    """
    try:
        earlier = shlex.split(line.rpartition(" ")[0].partition(" -m ")[2])
    except ValueError:  # within a quotation
        return []
    word = line.rpartition(" ")[2]
    if not earlier:
        found = [f"airr.{verb}" for verb in VERBS]
    elif earlier[0].removeprefix("airr.") not in VERBS:
        found = []
    elif word.startswith("-"):
        found = [*FLAGS]
    else:
        found = _settings(earlier[0].removeprefix("airr."), earlier[1:], word)
    fit = [one for one in found if one.startswith(word) and SAFE.fullmatch(one)]
    return [one if one.endswith(("=", ".")) else f"{one} " for one in fit]


def _settings(verb: str, earlier: Sequence[str], word: str) -> list[str]:
    # these take a third of a second, which the names of verbs need not wait for
    from airr.composition import compositions, settings_for  # noqa: PLC0415
    from airr.errors import ConfigError  # noqa: PLC0415
    from airr.reporting.looking import workspaces_of  # noqa: PLC0415

    settings = [one for one in earlier if not one.startswith("-")]
    try:
        if word.startswith("campaign="):
            root = Path(compositions(verb, settings)[0].get("root", "."))
            return [f"campaign={one.folder.name}" for one in workspaces_of(root, None)]
        return settings_for(verb, settings, word)
    except ConfigError:
        return []


def main() -> None:
    """Print the lines for a shell, or what it asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m airr.completion",
        description="Have a shell complete airr's verbs, settings and campaigns.",
        epilog='Put into ~/.bashrc: eval "$(/path/to/.venv/bin/python -m airr.completion bash)"; '
        "for zsh the same into ~/.zshrc.",
    )
    parser.add_argument("shell", choices=[*SCRIPTS, "words"], help="words is what the shell asks")
    parser.add_argument("line", nargs="?", default="", help="the command line up to the cursor")
    asked = parser.parse_args()
    script = SCRIPTS.get(asked.shell)
    found = [script.strip()] if script else words_for(asked.line)
    sys.stdout.writelines(f"{line}\n" for line in found)


if __name__ == "__main__":
    main()
