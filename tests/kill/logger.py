"""A training that logs: `python logger.py ACKNOWLEDGED STOP SEED`. It goes on until the file STOP is there.

Two threads log a metric each. After each call of `log` the file ACKNOWLEDGED says how many points of it returned, in
place and unbuffered: what stands there when this process is killed is what must be there afterwards. Behind these two
numbers stands the id of the run.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from pathlib import Path

import clew

METRICS = ("loss", "acc")
PACK = 8


def main(acknowledged: Path, stop: Path, seed: int) -> None:
    file = os.open(acknowledged, os.O_RDWR | os.O_CREAT, 0o600)
    with clew.run(f"logger {seed}") as run:
        os.pwrite(file, bytes(PACK * len(METRICS)) + run.id.encode(), 0)

        def log(place: int) -> None:
            draw, step = random.Random(f"{seed} {place}"), 0
            pace = draw.choice((10, 300, 3000))
            while not stop.exists():
                for _ in range(draw.randrange(2 * pace)):
                    run.log({METRICS[place]: step / 2}, step=step)
                    step += 1
                    os.pwrite(file, step.to_bytes(PACK, "little"), PACK * place)
                if not place and draw.random() < 0.1:
                    run.tag(reached=str(step))
                time.sleep(draw.uniform(0.0, 0.05))

        threads = [threading.Thread(target=log, args=(place,), daemon=True) for place in range(len(METRICS))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
