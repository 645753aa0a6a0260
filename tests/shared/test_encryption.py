from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from shared.encryption import SecretBox
from shared.errors import InternalError

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.mark.parametrize("secret", ["whsec_abc", "", "zażółć 🔑", "x" * 1024])
def test_what_is_encrypted_comes_back(secret: str) -> None:
    box = SecretBox([NEW])
    ciphertext = box.encrypt(secret)
    assert box.decrypt(ciphertext) == secret
    assert not secret or secret not in ciphertext
    assert box.encrypt(secret) != ciphertext


def test_the_first_key_encrypts_and_every_key_decrypts() -> None:
    before, during, after = SecretBox([OLD]), SecretBox([NEW, OLD]), SecretBox([NEW])
    old_text, new_text = before.encrypt("s"), during.encrypt("s")
    assert during.decrypt(old_text) == "s"
    assert after.decrypt(new_text) == "s"
    with pytest.raises(InternalError, match="ENCRYPTION_KEYS lacks its key"):
        after.decrypt(old_text)


def test_reencrypting_lets_the_old_key_go() -> None:
    old_text = SecretBox([OLD]).encrypt("s")
    assert SecretBox([NEW]).decrypt(SecretBox([NEW, OLD]).reencrypt(old_text)) == "s"
    with pytest.raises(InternalError, match="ENCRYPTION_KEYS"):
        SecretBox([NEW]).reencrypt(old_text)


@pytest.mark.parametrize("ciphertext", ["", "gAAAAA", "é", "x" * 100])
def test_what_is_no_ciphertext_is_an_error_that_does_not_repeat_it(ciphertext: str) -> None:
    with pytest.raises(InternalError) as error:
        SecretBox([NEW]).decrypt(ciphertext)
    assert not ciphertext or ciphertext not in error.value.message
    assert error.value.__cause__ is None


def test_a_changed_ciphertext_is_refused() -> None:
    box = SecretBox([NEW])
    text = box.encrypt("s")
    with pytest.raises(InternalError):
        box.decrypt(text[:-6] + ("A" if text[-6] != "A" else "B") + text[-5:])


def test_the_setting_is_a_list_with_commas() -> None:
    box = SecretBox.from_setting(f" {NEW} , {OLD},")
    assert box.decrypt(SecretBox([OLD]).encrypt("s")) == "s"
    assert SecretBox([NEW]).decrypt(box.encrypt("s")) == "s"


@pytest.mark.parametrize("wrong", ["short", NEW[:-4], NEW + "AAAA", "é" * 44, NEW[:-1] + "!"])
def test_a_wrong_key_is_named_by_its_place_only(wrong: str) -> None:
    with pytest.raises(ValueError, match="ENCRYPTION_KEYS: key 2 ") as error:
        SecretBox([NEW, wrong])
    assert wrong not in str(error.value)
    assert error.value.__context__ is None


@pytest.mark.parametrize("setting", ["", " ", ",,"])
def test_no_key_at_all_is_an_error(setting: str) -> None:
    with pytest.raises(ValueError, match="ENCRYPTION_KEYS holds no key"):
        SecretBox.from_setting(setting)


def test_its_repr_shows_no_key() -> None:
    box = SecretBox([NEW, OLD])
    assert repr(box) == str(box) == "SecretBox(2 keys)"
