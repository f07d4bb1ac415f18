// The kernel checks, run as Swift tests.
import CKernels
import Testing
