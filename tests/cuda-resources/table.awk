# A Markdown table from the lines of resources.awk, sorted by kernel and architecture: numbers by architecture, "-" where it does not run the
# kernel; instructions of all of them together, those of sm_75 alone left out.
function flush_row() {
    if (kernel == "") return
    printf "| `%s` | %s | %d | %s | %s |\n", kernel, registers, shared, code, instructions == "" ? "" : instructions
}
BEGIN {
    print "| kernel | registers | static shared memory, B | code, KiB | instructions (8.0 and later) |"
    print "|---|---|---|---|---|"
}
{
    if ($1 != kernel) {
        flush_row()
        kernel = $1; registers = code = $2 > 75 ? "-" : ""; instructions = ""; shared = 0
    }
    empty = $6 <= 128
    registers = registers (registers == "" ? "" : " / ") (empty ? "-" : $3)
    code = code (code == "" ? "" : " / ") (empty ? "-" : sprintf("%.1f", $6 / 1024))
    if ($2 == 80) shared = $4  # 9.0 counts 1 KiB that the system keeps
    if ($2 == 80 && $7 != "-") { instructions = $7; gsub(",", ", ", instructions) }
    total[$2] += $6
}
END {
    flush_row()
    printf "\nMachine code of all kernels, KiB:"
    for (a = 75; a <= 90; a++) if (a in total) printf " %.0f for %d.%d%s", total[a] / 1024, a / 10, a % 10, a == 90 ? ".\n" : ","
}
