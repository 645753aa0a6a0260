from __future__ import annotations

import httpx

from tests.running_stack import RunningStack


def test_a_fresh_users_token_is_accepted_by_the_data_api(stack: RunningStack) -> None:
    user = stack.sign_up()
    url = f"{stack.api_url}/rest/v1/people?select=id"

    assert httpx.get(url, headers=stack.headers(user)).json() == []
    forged = {**stack.headers(), "Authorization": f"Bearer {user.token[:-4]}AAAA"}
    assert httpx.get(url, headers=forged).status_code == 401
