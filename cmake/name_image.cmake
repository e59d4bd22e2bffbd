# Writes PTX with its name and architecture as the first line.
file(READ "${BODY}" text)
file(WRITE "${PTX}" "// image: ${NAME} ${ARCHITECTURE}\n${text}")
file(REMOVE "${BODY}")
