// The one exception of the library: a status and one sentence. The API layer turns it into a return value; nothing else crosses the ABI.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <exception>

#include "nativequant/nativequant.h"

namespace nq {

class error : public std::exception {
public:
    [[gnu::format(printf, 3, 4)]] error(nq_status status, const char* format, ...) noexcept : status_(status) {
        va_list arguments;
        va_start(arguments, format);
        std::vsnprintf(message_, sizeof message_, format, arguments);
        va_end(arguments);
    }

    nq_status status() const noexcept { return status_; }
    const char* what() const noexcept override { return message_; }

private:
    nq_status status_;
    char message_[512];  // inside the object: reporting a lack of memory must not need any
};

}  // namespace nq
