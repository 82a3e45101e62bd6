# Prints a line that listens on IPv6, too.
echo "\$SERVER[\"socket\"] == \"[::]:$1\" { }"
