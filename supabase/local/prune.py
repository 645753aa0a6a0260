"""Deletes what has been finished for some days from the database that .env names, batch after batch.

    python prune.py DAYS

Where pg_cron is, the database does this by itself (sql/80_schedule.sql).
"""

from __future__ import annotations

import sys

import psycopg

import env_file
from layout import open_stack
from processes import StackError


def prune(database_url: str, days: int) -> dict[str, int]:
    """Each batch is a short transaction of its own, which waits for nobody. How many rows went, by kind."""
    total = {"events": 0, "published_events": 0}
    with psycopg.connect(database_url, autocommit=True) as connection:
        while True:
            answer = connection.execute("select private.delete_old(%s)", [days]).fetchone()
            assert answer is not None  # noqa: S101 (a function without a row set gives one row)
            deleted: dict[str, int] = answer[0]
            if not any(deleted.values()):
                return total
            for kind, count in deleted.items():
                total[kind] += count


def main(arguments: list[str]) -> None:
    match arguments:
        case [days] if days.isdecimal() and int(days) > 0:
            stack = open_stack()
            url = env_file.read(stack.env_path).get("DATABASE_URL")
            if url is None:
                raise StackError(f"{stack.env_path} names no DATABASE_URL to prune.")
            deleted = prune(url, int(days))
            print(
                f"Deleted {deleted['events']} events and {deleted['published_events']} published events "
                f"that had been finished for {days} days"
            )
        case _:
            raise StackError("Say after how many days: make prune DAYS=90")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except StackError as error:
        raise SystemExit(str(error)) from None
