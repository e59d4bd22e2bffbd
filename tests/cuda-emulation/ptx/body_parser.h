#pragma once

#include "syntax.h"

namespace ptx {

// ".shared .align 16 .b8 name[64]"; the ';' or '=' that follows is left.
variable parse_variable(token_reader& in);

// "{ ... }" with all its scopes.
void parse_body(token_reader& in, std::string_view text, function& f);

}  // namespace ptx
