"""Talks to anchor-kat: many requests in, as many answers out."""
import json
import subprocess


def ask(program, requests):
    """requests are dicts, or bytes to be sent as they are; one answer each, in order."""
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in requests]
    done = subprocess.run([program], input=b"\n".join(lines) + b"\n", stdout=subprocess.PIPE,
                          timeout=240, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{program} ended with {done.returncode}")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(requests):
        raise AssertionError(f"{len(requests)} requests, {len(answers)} answers")
    return answers
