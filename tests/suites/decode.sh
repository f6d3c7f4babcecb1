#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: single
# timeout: 300
#
# decode - `belljar gate read` and tshark say the same of the same captures
exec python3 "$BELLJAR_SRC/tests/gate/decode.py" "$BELLJAR" "$BELLJAR_BUILD/bench/capture_make"
