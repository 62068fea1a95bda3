# What a person types; CONTRIBUTING.md tells more.
#   make run    [SOURCE= MODEL= PORT= ARGS=]   the whole system, on the demo source by default
#   make studio [SOURCE= PORT= ARGS=]          the page that collects, trains and deploys gestures
#   make test   [ARGS=] [EXTRAS=]              all tests; EXTRAS= leaves PyTorch and its tests out
#   make bench                                 the tables of docs/benchmarks.md
#   make lint                                  the checkers
#   make setup  [EXTRAS="training speech"]     only what the others do first
#   make clean                                 remove all that these made
# For all: PYTHON=python3.12 chooses the Python, ROS_DISTRO=kilted the wheels of that ROS 2,
# ONNXRUNTIME=gpu (or system) the build of ONNX Runtime.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run studio test bench lint setup clean

# The arguments of the launch file are written small, and make would take such a one in silence.
$(foreach name,source model port args extras,$(if $(filter command,$(firstword $(origin $(name)))),\
  $(error $(name)= is not known: SOURCE, MODEL, PORT, ARGS and EXTRAS are written in capitals)))

# Nothing leaves this machine unless asked to, and images get through between processes: Fast DDS
# reads its profile under one name up to Jazzy, under another later, where the old one is told off.
export ROS_AUTOMATIC_DISCOVERY_RANGE ?= LOCALHOST
ifeq ($(ROS_DISTRO),humble)
export ROS_LOCALHOST_ONLY ?= 1
endif
ifneq ($(filter humble iron jazzy,$(or $(ROS_DISTRO),jazzy)),)
export FASTRTPS_DEFAULT_PROFILES_FILE ?= $(CURDIR)/config/fastdds.xml
else
export FASTDDS_DEFAULT_PROFILES_FILE ?= $(CURDIR)/config/fastdds.xml
endif
export SOURCE MODEL PORT ARGS ONNXRUNTIME

# The tests start make themselves, and theirs has to see none of what this one was given.
BARE := env -u ARGS -u SOURCE -u MODEL -u PORT -u MAKEFLAGS -u MFLAGS -u MAKELEVEL

PYTHON3 := $(or $(PYTHON),python3)

# $(call in_environment,REQUIREMENT SETS[,COMMAND]): set up what is not, then become the command.
define in_environment
@command -v '$(PYTHON3)' >/dev/null || { echo '$(PYTHON3) is missing: install it ("sudo apt install python3 python3-venv python3-dev"), or name a Python with PYTHON=.' >&2; exit 1; }
@exec '$(PYTHON3)' scripts/setup_env.py --python '$(PYTHON)' $(addprefix --with ,$(1)) -- $(2)
endef

help:
	@sed -n '2,/^$$/s/^# \{0,1\}//p' Makefile

run: EXTRAS ?= speech
run:
	$(call in_environment,$(EXTRAS),python scripts/run.py nano config/nano.yaml)

studio: EXTRAS ?= training
studio:
	$(call in_environment,$(EXTRAS),python scripts/run_studio.py)

test: EXTRAS ?= training speech
test:
	$(call in_environment,test $(EXTRAS),$(BARE) python -m pytest $(ARGS))

bench:
	$(call in_environment,test $(EXTRAS),$(BARE) python -m bench $(ARGS))

lint:
	$(call in_environment,lint,sh scripts/lint.sh)

setup:
	$(call in_environment,$(EXTRAS))

clean:
	rm -rf .venv .venv.* .venv-kilted .venv-kilted.* edge_vision.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
