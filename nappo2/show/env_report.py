"""What was found about an environment, to be read."""

from typing import NamedTuple

from nappo2.show.markup import block, heading, table

GOOD, NOTE, BAD = "ok", "note", "wrong"


class Finding(NamedTuple):
    """What was looked at, how it is (``ok``, ``note`` or ``wrong``), and what was seen."""

    what: str
    verdict: str
    said: str


class EnvReport(NamedTuple):
    """What ``check_env`` found.

    Attributes:
        name: of the environment.
        findings: in the order in which it was looked at.
    """

    name: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.verdict != BAD for finding in self.findings)

    def _said(self) -> str:
        wrong = [finding.what for finding in self.findings if finding.verdict == BAD]
        return f"{self.name}: " + (f"wrong: {', '.join(wrong)}" if wrong else "nothing is wrong")

    def __repr__(self):
        width = max(len(finding.what) for finding in self.findings)
        lines = (f"  {f.verdict:5}  {f.what:{width}}  {f.said}" for f in self.findings)
        return "\n".join([self._said(), *lines])

    def _repr_html_(self):
        marked = [i for i, finding in enumerate(self.findings) if finding.verdict == BAD]
        rows = [(f.verdict, f.what, f.said) for f in self.findings]
        return block(heading(self._said()), table(("", "", ""), rows, marked))
