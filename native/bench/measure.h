// Times, and the limits they are held against.
#pragma once

#include "machine_limits.h"
#include "timing.h"
