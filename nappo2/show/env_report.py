"""The report of ``check_env``, as text and as a table."""

from typing import NamedTuple

from nappo2.show.markup import block, heading, table

GOOD, NOTE, BAD = "ok", "note", "wrong"


class Finding(NamedTuple):
    """The result of one check.

    Attributes:
        check: the name of the check.
        verdict: ``ok``, ``note`` or ``wrong``.
        message: what the environment did.
    """

    check: str
    verdict: str
    message: str


class EnvReport(NamedTuple):
    """The results of all checks of an environment.

    Attributes:
        name: of the environment.
        findings: in the order of the checks.
    """

    name: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.verdict != BAD for finding in self.findings)

    def _summary(self) -> str:
        wrong = [finding.check for finding in self.findings if finding.verdict == BAD]
        return f"{self.name}: " + (f"wrong: {', '.join(wrong)}" if wrong else "nothing is wrong")

    def __repr__(self):
        width = max(len(finding.check) for finding in self.findings)
        lines = (f"  {f.verdict:5}  {f.check:{width}}  {f.message}" for f in self.findings)
        return "\n".join([self._summary(), *lines])

    def _repr_html_(self):
        marked = [i for i, finding in enumerate(self.findings) if finding.verdict == BAD]
        rows = [(f.verdict, f.check, f.message) for f in self.findings]
        return block(heading(self._summary()), table(("", "", ""), rows, marked))
