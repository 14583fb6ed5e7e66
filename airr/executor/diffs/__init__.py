"""What models write for diffs -> patched trees; trees -> diffs. Pure: nothing touches a disk."""

from airr.executor.diffs.apply import apply_answer
from airr.executor.diffs.compare import change_between, unified_diff
from airr.executor.diffs.rejection import Rejection

__all__ = ["Rejection", "apply_answer", "change_between", "unified_diff"]
