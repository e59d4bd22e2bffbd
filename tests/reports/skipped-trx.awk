# Lists the tests of a TRX report that were not executed, with the first line of the reason.
function plain(text) { gsub(/&lt;/, "<", text); gsub(/&gt;/, ">", text); gsub(/&quot;/, "\"", text); gsub(/&amp;/, "\\&", text); return text }
function value(name,    text) {
    if (!match($0, " " name "=\"[^\"]*\"")) return ""
    text = substr($0, RSTART, RLENGTH)
    sub(/^[^"]*"/, "", text); sub(/"$/, "", text)
    return text
}
function flush() { if (test != "") print "  " test ": " (reason == "" ? "no reason given" : reason); test = ""; reason = "" }
/<UnitTestResult / { flush(); if (value("outcome") == "NotExecuted") { test = plain(value("testName")) } }
test != "" && reason == "" && /<(StdOut|Message)>/ { reason = $0; sub(/.*<(StdOut|Message)>/, "", reason); sub(/<\/.*/, "", reason); reason = plain(reason) }
END { flush() }
