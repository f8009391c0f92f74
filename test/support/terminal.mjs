// Given to node with --import: what stands in for standard error is a terminal, on which progress shows at once.
Object.defineProperty(process.stderr, 'isTTY', { value: true });
