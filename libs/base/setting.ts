/** One number that an operator may turn. */
export interface SettingDefinition {
  readonly default: number;
  readonly doc: string;
}

/** A setting as the tables write it. */
export const setting = (defaultValue: number, doc: string): SettingDefinition => ({
  default: defaultValue,
  doc,
});

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;
export const second = 1000;
export const minute = 60 * second;
export const day = 24 * 60 * minute;
