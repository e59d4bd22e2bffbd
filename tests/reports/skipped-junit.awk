# Lists the skipped and disabled tests of ctest's JUnit report. GoogleTest prints the reason on the line below "file:line: Skipped".
function flush() { if (skipped) print "  " test ": " (reason == "" ? "no reason given" : reason); skipped = 0; reason = "" }
/<testcase / { flush(); test = $0; sub(/.*<testcase name="/, "", test); sub(/".*/, "", test) }
/status="disabled"/ { skipped = 1; reason = "disabled" }
/<skipped/ { skipped = 1 }
armed { reason = $0; armed = 0 }
/: Skipped$/ { armed = 1 }
END { flush() }
