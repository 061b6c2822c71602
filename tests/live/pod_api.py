"""The test API server as a process, so that it can stand in another network namespace.

`python -m live.pod_api CERTIFICATE KEY PORT TOKEN OBJECTS`: serves the objects of a file (JSON: path to list) until its
standard input ends, then prints what it was asked: a list of [path, watched or not, Authorization].
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from apiserver import ApiServer


def main() -> None:
    certificate, key, port, token, objects = sys.argv[1:]
    with ApiServer(Path(certificate), Path(key), int(port)) as server:
        server.tokens = {token}
        for path, found in json.loads(Path(objects).read_text(encoding="utf-8")).items():
            for each in found:
                server.put(path, each)
        print("ready", flush=True)
        sys.stdin.read()
        print(json.dumps([[each.path, "watch" in each.parameters, each.authorization] for each in server.asked]))


if __name__ == "__main__":
    main()
