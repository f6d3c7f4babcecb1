// SPDX-License-Identifier: Apache-2.0
#include "box/box.h"
