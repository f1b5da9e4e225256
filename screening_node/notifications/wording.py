"""What people are told, in words: counts and links to the admin's page; never a patient's name, ID or date.

Nothing here comes from a film: a message may leave the hospital. What it links to asks for a sign-in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from screening_node.admin.wellness import Cause, Trouble
from screening_node.delivery.notification import Message, Weight
from screening_node.store.notices import FailedFilm, NewAlarm, ParkedReport

#: More links than this make nothing clearer.
_MOST_LINKS = 20

_OVER: Mapping[Cause, str] = {
    Cause.DISK: "The disk has room again.",
    Cause.QUEUE: "Films are judged in time again.",
    Cause.DESTINATION: "{about} takes what it is sent again.",
    Cause.UNKNOWN_DESTINATION: "Nothing waits any more for {about}, which the configuration does not name.",
    Cause.SILENCE: "Films come in again.",
}


@dataclass(frozen=True, kw_only=True)
class Writer:
    """``page``: the admin's page as people reach it, without a slash at its end; None where nobody said.

    ``node`` is its name, ``limits_of_use`` what its model's card says.
    """

    node: str
    page: str | None
    limits_of_use: str

    def alarms(self, found: Sequence[NewAlarm]) -> Message:
        """New alarms."""
        count = len(found)
        lines = [
            f"{_count(count, 'alarm')} that nobody has acknowledged yet: a bone density estimated from a chest film "
            "lies below its threshold.",
            *self._links("alert", "/alerts/{}", [one.number for one in found]),
        ]
        return self._message(f"{_count(count, 'new alarm')}", lines, Weight.WARNING)

    def dead_letters(self, films: Sequence[FailedFilm], reports: Sequence[ParkedReport]) -> Message:
        """What goes no further without a person."""
        what = [_count(len(films), "film") + " not judged"] if films else []
        what += [f"{_count(len(reports), 'report')} not delivered"] if reports else []
        lines = ["The node has given up on them; a person has to look.", self._place("/work")]
        if films:
            lines += ["", "Not judged:", *self._links("film", "/exams/{}", [one.exam for one in films])]
        if reports:
            lines += ["", "Not delivered:", *_by_destination(reports)]
        return self._message(" and ".join(what), lines, Weight.FAILURE)

    def trouble(self, trouble: Trouble) -> Message:
        """Something keeps the node from its work."""
        weight = Weight.FAILURE if trouble.grave else Weight.WARNING
        lines = [trouble.text, self._place(trouble.link), "", "Another message will say when it is over."]
        return self._message(trouble.text.rstrip("."), lines, weight)

    def over(self, cause: Cause, about: str) -> Message:
        """It does not any more."""
        text = _OVER[cause].format(about=about)
        return self._message(f"over: {text.rstrip('.')}", [text, self._place("/work")], Weight.SUCCESS)

    def trial(self) -> Message:
        """A test message."""
        lines = ["This is a test: notifications of this node reach you.", self._place("/")]
        return self._message("test", lines, Weight.INFO)

    def lines(self, title: str, lines: Sequence[str]) -> Message:
        """Any other text, such as a digest."""
        return self._message(title, [*lines, "", self._place("/")], Weight.INFO)

    def _message(self, title: str, lines: Sequence[str], weight: Weight) -> Message:
        foot = ["", f"{self.node}. {self.limits_of_use}".strip(), "This message holds no patient data."]
        return Message(title=f"{self.node}: {title}", body="\n".join([*lines, *foot]), weight=weight)

    def _links(self, what: str, path: str, numbers: Sequence[int]) -> Iterator[str]:
        for number in numbers[:_MOST_LINKS]:
            yield f"- {what} {number}" + (f": {self.page}{path.format(number)}" if self.page else "")
        if len(numbers) > _MOST_LINKS:
            yield f"- and {len(numbers) - _MOST_LINKS} more"

    def _place(self, path: str) -> str:
        return f"{self.page}{path}" if self.page else "See the admin's page of the node."


def _by_destination(reports: Sequence[ParkedReport]) -> Iterator[str]:
    for name in sorted({one.destination for one in reports}):
        yield f"- {_count(sum(one.destination == name for one in reports), 'report')} to {name}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
