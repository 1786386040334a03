"""Let a process of an example live at the time of a test: Python imports this module when the process starts."""

import os
import runpy
from pathlib import Path

runpy.run_path(os.environ["STEPPED_CLOCK"])["step"](Path(os.environ["CLOCK_FILE"]))
