/**
 * The command-line tools that are run against Sluice: which package, how each is set up in an empty home, how it is asked.
 * Versions are those that the measurements in the design were made with.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Setting {
  readonly url: string;
  readonly key: string;
  readonly model: string;
  /** An empty folder that is the tool's home. */
  readonly home: string;
}

export interface Tool {
  readonly name: string;
  readonly package: string;
  readonly version: string;
  readonly bin: string;
  /** The text that makes the simulated provider call the tool's shell with `echo`; the words differ since tools rewrite prompts. */
  readonly prompt: string;
  /** Writes the tool's settings. */
  prepare(setting: Setting): void;
  args(setting: Setting): string[];
  env(setting: Setting): Record<string, string>;
}

/** What the shell says when the tool really ran it. */
export const SAID = "sluice-42";

function write(home: string, path: string, text: string): void {
  const file = join(home, path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, text);
}

const claudeCode: Tool = {
  name: "Claude Code",
  package: "@anthropic-ai/claude-code",
  version: "2.1.329",
  bin: "claude",
  prompt: `call:Bash{"command":"echo ${SAID}","description":"say"}`,
  prepare() {},
  args: ({ model }) => ["-p", claudeCode.prompt, "--allowedTools", "Bash", "--model", model],
  env: ({ url, key, model }) => ({
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_API_KEY: key,
    ANTHROPIC_MODEL: model,
    ANTHROPIC_SMALL_FAST_MODEL: model,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    CLAUDE_CODE_MAX_RETRIES: "1",
    DISABLE_TELEMETRY: "1",
    DISABLE_ERROR_REPORTING: "1",
    DISABLE_AUTOUPDATER: "1",
    IS_SANDBOX: "1",
  }),
};

const codex: Tool = {
  name: "Codex",
  package: "@openai/codex",
  version: "0.169.0",
  bin: "codex",
  prompt: `call:exec_command{"cmd":"echo ${SAID}"}`,
  prepare({ home, url, model }) {
    const provider = `[model_providers.sluice]\nname = "Sluice"\nbase_url = "${url}/v1"\nenv_key = "SLUICE_KEY"\nwire_api = "responses"\n`;
    const limits = "request_max_retries = 0\nstream_max_retries = 0\n";
    const general = `model = "${model}"\nmodel_provider = "sluice"\napproval_policy = "never"\nsandbox_mode = "danger-full-access"\n`;
    write(home, ".codex/config.toml", `${general}[analytics]\nenabled = false\n${provider}${limits}`);
  },
  args: () => ["exec", "--skip-git-repo-check", codex.prompt],
  env: ({ key }) => ({ SLUICE_KEY: key }),
};

const geminiCli: Tool = {
  name: "Gemini CLI",
  package: "@google/gemini-cli",
  version: "0.61.0",
  bin: "gemini",
  prompt: `call:run_shell_command{"command":"echo ${SAID}","description":"say"}`,
  prepare({ home }) {
    const settings = {
      security: { auth: { selectedType: "gemini-api-key" } },
      privacy: { usageStatisticsEnabled: false },
      telemetry: { enabled: false },
      general: { disableAutoUpdate: true, disableUpdateNag: true },
    };
    write(home, ".gemini/settings.json", JSON.stringify(settings));
  },
  args: ({ model }) => ["--skip-trust", "-y", "-m", model, "-p", geminiCli.prompt],
  env: ({ url, key }) => ({ GOOGLE_GEMINI_BASE_URL: url, GEMINI_API_KEY: key }),
};

const openCode: Tool = {
  name: "OpenCode",
  package: "opencode-ai",
  version: "1.18.33",
  bin: "opencode",
  // It puts a prompt with spaces into quotes, which would break the JSON.
  prompt: `call:bash{"command":"echo\${IFS}${SAID}","description":"say"}`,
  prepare({ home, url, key, model }) {
    const provider = {
      npm: "@ai-sdk/openai-compatible",
      name: "Sluice",
      options: { baseURL: `${url}/v1`, apiKey: key },
      models: { [model]: {} },
    };
    const settings = {
      provider: { sluice: provider },
      model: `sluice/${model}`,
      small_model: `sluice/${model}`,
      autoupdate: false,
      share: "disabled",
      permission: { bash: "allow" },
    };
    write(home, ".config/opencode/opencode.json", JSON.stringify(settings));
  },
  args: ({ model }) => ["run", "-m", `sluice/${model}`, openCode.prompt],
  env: () => ({ OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_AUTOUPDATE: "1" }),
};

export const TOOLS: readonly Tool[] = [claudeCode, codex, geminiCli, openCode];
