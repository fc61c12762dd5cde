#!/usr/bin/env python3
"""The text injector's helper: reads `ID ADDRESS` lines, answers each with a line of HTML that names the address."""
import sys

for line in sys.stdin:
    number, _, address = line.strip().partition(' ')
    print(number, '<p id="injected" style="margin:0;padding:6px 16px;background:#14213d;color:#fff;font:14px DejaVu Sans,sans-serif">'
          f'Read at {address}, with gray pictures and without advertisements.</p>', flush=True)
