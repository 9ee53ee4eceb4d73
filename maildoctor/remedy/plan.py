"""Which actions, in which order: several root causes are mended in one run, nothing is done twice."""

from collections.abc import Iterable
from dataclasses import dataclass

from maildoctor.remedy.action import Action, Turn
from maildoctor.remedy.postfix_action import SetParameter, SetServiceField, SetServiceOption
from maildoctor.remedy.service_action import InstallPackages, ReloadUnit, RestartUnit, StartUnit


@dataclass(frozen=True, slots=True)
class Step:
    """An action, and the codes of the root causes that ask for it."""

    action: Action
    codes: tuple[str, ...]

    @property
    def turn(self) -> Turn:
        """Give its turn; Postfix is last of the daemons."""
        steers_postfix = getattr(self.action, "unit", "").removesuffix(".service") == "postfix"
        return Turn.POSTFIX if self.action.turn is Turn.DAEMONS and steers_postfix else self.action.turn


def arrange(asked: Iterable[tuple[str, tuple[Action, ...]]]) -> tuple[Step, ...]:
    """Give the steps for root causes, each a code and its actions, in an order that works.

    Equal actions are done once; of a service's start, reload and restart the strongest is done.
    """
    codes: dict[Action, tuple[str, ...]] = {}
    for code, actions in asked:
        for action in actions:
            codes[action] = tuple(dict.fromkeys((*codes.get(action, ()), code)))
    steps = [Step(action, names) for action, names in codes.items()]
    return tuple(sorted(_without_weaker(steps), key=lambda step: step.turn))


def contradictions(asked: Iterable[tuple[str, tuple[Action, ...]]]) -> set[str]:
    """Give the codes whose actions would set what an earlier one's set to another value."""
    settled: dict[object, Action] = {}
    refused: set[str] = set()
    for code, actions in asked:
        mine = {slot: action for action in actions if (slot := _slot(action)) is not None}
        if any(settled.get(slot, action) != action for slot, action in mine.items()):
            refused.add(code)
        else:
            settled.update(mine)
    return refused


def _slot(action: Action) -> object:
    match action:
        case SetParameter(name=name):
            return name
        case SetServiceOption(service=service, name=name):
            return service, name
        case SetServiceField(service=service, field=field):
            return service, field, "column"
    return None


def _without_weaker(steps: list[Step]) -> list[Step]:
    """Leave out a start or reload where the same service is restarted, a reload where it is started."""
    kept: list[Step] = []
    for step in steps:
        stronger = [other for other in steps if _outdoes(other.action, step.action)]
        if not stronger:
            more = [code for other in steps if _outdoes(step.action, other.action) for code in other.codes]
            kept.append(Step(step.action, tuple(dict.fromkeys((*step.codes, *more)))))
    return _one_installation(kept)


def _outdoes(stronger: Action, weaker: Action) -> bool:
    order = (ReloadUnit, StartUnit, RestartUnit)
    if not isinstance(stronger, order) or not isinstance(weaker, order):
        return False
    same = stronger.name == weaker.name
    return same and order.index(type(stronger)) > order.index(type(weaker))


def _one_installation(steps: list[Step]) -> list[Step]:
    installing = [step for step in steps if isinstance(step.action, InstallPackages)]
    if len(installing) < 2:
        return steps
    names = dict.fromkeys(name for each in installing for name in each.action.names)  # type: ignore[attr-defined]
    codes = dict.fromkeys(code for each in installing for code in each.codes)
    return [Step(InstallPackages(tuple(names)), tuple(codes)), *(s for s in steps if s not in installing)]
