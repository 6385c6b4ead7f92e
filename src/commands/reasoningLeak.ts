export function addLeak(..._: unknown[]){}
