// Executors of instructions that every lane does by itself: destination = Operation(sources).
#pragma once

#include "decoder.h"
#include "warp.h"

namespace ptx {

template <class T, auto Operation>
void execute_unary(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const bool flush = i.flush;
    for_each_lane(mask, [=](unsigned l) { d[l] = written(flushed(flush, static_cast<T>(Operation(flushed(flush, read<T>(a[l])))))); });
}

template <class T, auto Operation>
void execute_binary(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    const bool flush = i.flush;
    for_each_lane(mask, [=](unsigned l) {
        d[l] = written(flushed(flush, static_cast<T>(Operation(flushed(flush, read<T>(a[l])), flushed(flush, read<T>(b[l]))))));
    });
}

template <class T, auto Operation>
void execute_ternary(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    const cell* const c = w.source(i.operands[3]);
    const bool flush = i.flush;
    for_each_lane(mask, [=](unsigned l) {
        d[l] = written(flushed(
            flush, static_cast<T>(Operation(flushed(flush, read<T>(a[l])), flushed(flush, read<T>(b[l])), flushed(flush, read<T>(c[l]))))));
    });
}

}  // namespace ptx
