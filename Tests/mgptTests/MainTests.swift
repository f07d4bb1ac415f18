// End-to-end checks of the command line.
import Testing
