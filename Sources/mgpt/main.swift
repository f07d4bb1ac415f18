// Picks the subcommand and maps errors to messages and exit codes.
import MicroGPT
