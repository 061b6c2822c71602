from __future__ import annotations

from kindling import errors


def every(kind: type[errors.KindlingError]) -> list[type[errors.KindlingError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in every(child))]


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = errors.__doc__ or ""
    for kind in every(errors.KindlingError):
        if kind.__module__ == errors.__name__:
            assert f"{kind.__name__} " in drawn


def test_exit_codes() -> None:
    assert errors.KindlingError.exit_code == 1
    assert errors.CaptureError.exit_code == 2
    assert errors.PrivilegeError.exit_code == 3
    assert errors.VerifierError.exit_code == 4
    assert errors.UnreachableError.exit_code == 5


def test_each_message_says_what_to_do() -> None:
    assert str(errors.KindlingError("It broke.")) == "It broke."
    assert str(errors.InputError("It broke.", hint="Mend it.")) == "It broke. Mend it."
    assert "root" in str(errors.PrivilegeError("Not allowed."))
    assert "kindling check" in str(errors.UnsupportedError("Not there."))
    assert "kindling agent" in str(errors.UnreachableError("http://x", "refused"))
    refused = errors.VerifierError("kd_egress", "invalid argument", "0: R1 ...")
    assert refused.log == "0: R1 ..."
    assert "kd_egress" in str(refused)
