# Reads what `cuobjdump -res-usage` and then `cuobjdump -sass` say of a fat binary. Writes one line per kernel and architecture:
#   kernel architecture registers shared-bytes local-bytes code-bytes instructions
# local-bytes: what the compiler spills or indexes in local memory. instructions: those of `sought` that are there, joined by commas.
BEGIN { count = split("LDG.128 LDGSTS LDSM HMMA IMMA IDP", sought, " ") }

/^arch = sm_/ { architecture = substr($3, 4) }

/^ Function .*:$/ { kernel = substr($2, 1, length($2) - 1) }
/^  REG:/ {
    for (i = 1; i <= NF; i++) {
        split($i, field, ":")
        usage[kernel, architecture, field[1]] = field[2]
    }
}

/^\t*Function : / {
    kernel = $3
    order[++kernels] = kernel SUBSEP architecture
}
/^ +\/\*[0-9a-f]+\*\/ +[^ ]/ && !/^ +\/\* 0x/ {
    code[kernel, architecture] += 16
    opcode = $2 ~ /^@/ ? $3 : $2
    parts = split(opcode, part, ".")
    if (part[1] == "LDL" || part[1] == "STL") spills[kernel, architecture]++
    seen[kernel, architecture, part[1]] = 1
    if (part[1] == "LDG")
        for (i = 2; i <= parts; i++)
            if (part[i] == "128") seen[kernel, architecture, "LDG.128"] = 1
}

END {
    for (k = 1; k <= kernels; k++) {
        split(order[k], id, SUBSEP)
        local_bytes = usage[id[1], id[2], "STACK"] + usage[id[1], id[2], "LOCAL"]
        if (local_bytes == 0 && spills[id[1], id[2]] > 0) local_bytes = 4 * spills[id[1], id[2]]
        list = ""
        for (i = 1; i <= count; i++)
            if ((id[1], id[2], sought[i]) in seen) list = list (list == "" ? "" : ",") sought[i]
        printf "%s %d %d %d %d %d %s\n", id[1], id[2], usage[id[1], id[2], "REG"], usage[id[1], id[2], "SHARED"], local_bytes, code[id[1], id[2]], list == "" ? "-" : list
    }
}
