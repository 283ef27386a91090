"""A node that is not ready is never well to the doctor."""

from node.admin.reports import Problem, StatusReport
from node.doctor.standing import check_ready


def status(*codes: str) -> StatusReport:
    return StatusReport(
        node="one",
        cluster="c",
        region="r",
        url="http://h",
        pid=1,
        mesh=True,
        ready=not codes,
        problems=tuple(Problem(part="mesh", code=code, message="so it is") for code in codes),
    )


def test_each_reason_is_a_check_with_its_next_step() -> None:
    assert [(one.name, one.verdict) for one in check_ready(status())] == [("ready", "ok")]
    checks = check_ready(status("node_draining", "node_twin", "something_new"))
    assert [(one.name, one.verdict) for one in checks] == [
        ("ready:node_draining", "warn"),
        ("ready:node_twin", "fail"),
        ("ready:something_new", "fail"),
    ]
    assert all(one.next for one in checks)
