#!/bin/sh
# Grows the orchard of conf/default.yaml.
set -e
python -m orchard conf/default.yaml
