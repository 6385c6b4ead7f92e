/** Which parameters of a student learn. */
import type { Parameter } from './layers/module.js';
import type { Architecture, Student } from './student.js';

const LORA = /\.lora_[AB]\.weight$/;

/** Whether a parameter belongs to an adapter. */
export const isLora = (name: string): boolean => LORA.test(name);

/** Whether the parameter of this name learns when the given groups do. */
export function isTrained(kind: Architecture, name: string, groups: readonly string[]): boolean {
  const group = isLora(name) ? 'lora' : kind.groupOf(name);
  return groups.includes('all') || (group !== undefined && groups.includes(group));
}

/** Marks the parameters of the given groups as trainable, all others as frozen; returns the trainable ones. */
export function selectTrainable(
  { kind, module }: Pick<Student, 'kind' | 'module'>,
  groups: readonly string[],
): Parameter[] {
  const selected = ({ name }: Parameter) => isTrained(kind, name, groups);
  module.setTrainable(selected);
  return [...module.parameters()].filter(selected);
}

/** Whether a weight that features depend on is trained, so that features cannot be stored. */
export function trainsVision(student: Student, trained: readonly Parameter[]): boolean {
  const names = new Set(student.featureParameters().map(({ name }) => name));
  return trained.some(({ name }) => names.has(name));
}
