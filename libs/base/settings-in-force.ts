import { settingDefinitions, type SettingDefinition } from './settings.ts';

type Definitions = typeof settingDefinitions;

/** All settings, by section. A room takes only its section. */
export type Settings = {
  readonly [Section in keyof Definitions]: { readonly [Name in keyof Definitions[Section]]: number };
};

/** The environment variable that overrides a setting. */
export function settingVariable(section: string, name: string): string {
  return `PACKHORSE_${section}_${name.replace(/[A-Z]/g, (letter) => `_${letter}`)}`.toUpperCase();
}

/**
 * The settings in force: defaults, overridden by `environment`.
 * Throws a RangeError naming the variable whose value is not a whole number of 0 or more.
 */
export function readSettings(environment: Readonly<Record<string, string | undefined>> = {}): Settings {
  const sections = Object.entries(settingDefinitions).map(([section, definitions]) => {
    const values = Object.entries<SettingDefinition>(definitions).map(([name, definition]) => {
      const variable = settingVariable(section, name);
      const text = environment[variable];
      if (text === undefined || text === '') return [name, definition.default];
      const value = Number(text);
      if (!Number.isSafeInteger(value) || value < 0) {
        throw new RangeError(`${variable} must be a whole number of 0 or more, but is "${text}".`);
      }
      return [name, value];
    });
    return [section, Object.fromEntries(values)];
  });
  return Object.fromEntries(sections) as Settings;
}
