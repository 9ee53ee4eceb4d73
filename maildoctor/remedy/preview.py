"""What a plan would do, seen beforehand: each command, and what it changes in files.

The new contents come from the code that writes them; later steps see what earlier ones would have made.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from maildoctor.remedy.difference import masked, unified
from maildoctor.remedy.plan import Step
from maildoctor.remedy.site import Site
from maildoctor.remedy.thing import Thing
from maildoctor.remedy.trouble import RepairFailed


@dataclass(frozen=True, slots=True)
class PreviewedStep:
    """One step for people; ``changes`` are lines of a diff, ``trouble`` is why they cannot be told."""

    command: str
    codes: tuple[str, ...]
    changes: tuple[str, ...] = ()
    trouble: str = ""


def preview(site: Site, steps: Iterable[Step]) -> tuple[PreviewedStep, ...]:
    """Tell what the steps would do; nothing on the host changes."""
    seen = tuple(_preview(site, step) for step in steps)
    site.pending.clear()
    return seen


def _lost(site: Site, thing: Thing) -> tuple[str, ...]:
    return thing.lost(site, thing.capture(site)) if type(thing).lost is not Thing.lost else ()


def _preview(site: Site, step: Step) -> PreviewedStep:
    command = masked(step.action.command(site.system))
    changes: list[str] = []
    try:
        changes += step.action.described(site)
        changes += [line for thing in step.action.touches(site) for line in _lost(site, thing)]
        for edit in step.action.previewed(site):
            changes += unified(edit.path, edit.before, edit.after)
            site.pending[edit.path] = edit.after
    except (RepairFailed, OSError) as error:
        return PreviewedStep(command, step.codes, tuple(changes), str(error))
    return PreviewedStep(command, step.codes, tuple(changes))
