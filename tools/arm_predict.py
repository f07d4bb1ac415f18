def section(root, cycles): return ""
def self_test(root): return []
