"""A part as ``insula run PART`` runs it, which also prints twice a second how far it is behind: one JSON object a line.

``lag_ms``: now less when the last record was produced that its reader of ``knx`` and ``zwave`` has dealt with, told by
a task of the same event loop: what blocks that loop shows.
"""

import asyncio
import json
import sys
import time

from insula.bootstrap import Installation, run_parts
from insula.bus.kafka import KafkaBus
from insula.logs import configure
from insula.settings import load_settings

READERS = {"recorder": "recorder", "controller": "controller-{instance}-points", "api": "api values"}
EVERY_S = 0.5


async def sample(at: Installation, part: str) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        assert isinstance(at.bus, KafkaBus)
        handled_at = at.bus.handled_at().get(READERS[part].format(instance=at.instance), 0)
        if handled_at:
            figures = {"lag_ms": at.clock.real() - handled_at, "cpu_s": time.process_time()}
            sys.stdout.write(json.dumps(figures) + "\n")
            sys.stdout.flush()


async def main(part: str) -> None:
    tasks = []
    settings = load_settings()
    configure(settings.log)
    await run_parts(settings, [part], lambda at: tasks.append(asyncio.create_task(sample(at, part))))


asyncio.run(main(sys.argv[1]))
