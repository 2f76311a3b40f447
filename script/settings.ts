/** Prints docs/settings.md from the table of settings; `test/structure/settings.test.ts` holds the two together. */
import { settingVariable } from '../libs/base/settings-in-force.ts';
import { settingDefinitions } from '../libs/base/settings.ts';

/** The page as it must be. */
export function settingsPage(): string {
  const sections = Object.entries(settingDefinitions).map(([section, definitions]) => {
    const rows = Object.entries(definitions).map(
      ([name, { default: value, doc }]) => `| \`${settingVariable(section, name)}\` | ${value} | ${doc} |`,
    );
    return `## ${section}\n\n| variable | default | what it is |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return `# Settings\n\nEvery limit and every other number that can be turned, as environment variables of \`packhorse serve\`.\nThe unit is the last word of the name. Made by \`node script/settings.ts > docs/settings.md\`.\n\n${sections.join('\n')}`;
}

if (import.meta.main) process.stdout.write(settingsPage());
