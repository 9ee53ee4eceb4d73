"""AUTH commands that came too often: smtpd warns at each, and counts it once more when the client goes."""

from maildoctor.maillog.order import Said, whole_of

LIMITED, UNLOGGED = "auth-rate", "auth-unlogged"


def counted_once(said: list[Said]) -> list[Said]:
    """Give what was said, with refusals for their number no longer among AUTH commands that left no line.

    The warning names no user, and its client only in words; the disconnect line has the client.
    """
    limited = next((each for each in said if each[0].id == LIMITED), None)
    unlogged = next((each for each in said if each[0].id == UNLOGGED), None)
    if limited is None or unlogged is None:
        return said
    others = [each for each in said if each is not limited and each is not unlogged]
    joined, rest = whole_of([unlogged]), whole_of([unlogged])
    joined.count, joined.samples = limited[2].count, limited[2].samples
    rest.count -= limited[2].count
    left = [(*unlogged[:2], rest)] if rest.count > 0 else []
    return [*others, (*limited[:2], joined), *left]
