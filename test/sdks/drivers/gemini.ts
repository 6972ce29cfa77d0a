/**
 * The `@google/genai` client as a driver, by its chat sessions.
 * A session keeps the conversation and leaves out of it what it takes for invalid, so it judges what comes back as well.
 */
import {
  ApiError,
  type Content,
  FinishReason,
  type GenerateContentConfig,
  type GenerateContentResponse,
  GoogleGenAI,
  type Part,
} from "@google/genai";
import {
  type Answer,
  CLIENT_TIMEOUT_MS,
  type Driver,
  keepHeaders,
  type Medium,
  type Question,
  type Turn,
} from "./driver.ts";

const THINKING_BUDGET = 1024;

function partOf(medium: Medium): Part {
  if ("url" in medium) return { fileData: { fileUri: medium.url, mimeType: "image/png" } };
  return { inlineData: { mimeType: medium.mediaType, data: medium.base64 } };
}

function partsOf(turn: Exclude<Turn, { said: unknown }>): Part[] {
  if ("results" in turn) {
    return turn.results.map(({ call, text, image, isError }) => ({
      functionResponse: {
        id: call.id,
        name: call.name,
        response: isError ? { error: text } : { output: text },
        ...(image && { parts: [{ inlineData: { mimeType: image.mediaType, data: image.base64 } }] }),
      },
    }));
  }
  return [{ text: turn.user }, ...(turn.media ?? []).map(partOf)];
}

function contentsOf(turn: Turn): Content[] {
  return "said" in turn ? (turn.said as Content[]) : [{ role: "user", parts: partsOf(turn) }];
}

function configOf(question: Question): GenerateContentConfig {
  const { system, tools, thinks, schema, stop, maxTokens, signal } = question;
  return {
    abortSignal: signal,
    ...(system && { systemInstruction: system }),
    ...(tools && {
      tools: [
        { functionDeclarations: tools.map(({ name, parameters }) => ({ name, parametersJsonSchema: parameters })) },
      ],
    }),
    ...(thinks && { thinkingConfig: { includeThoughts: true, thinkingBudget: THINKING_BUDGET } }),
    ...(schema && { responseMimeType: "application/json", responseJsonSchema: schema }),
    ...(stop && { stopSequences: [stop] }),
    ...(maxTokens && { maxOutputTokens: maxTokens }),
  };
}

/**
 * The assistant's turn as one content. A session notes each piece of a stream as a content of its own, and the API's rule that
 * results follow right after their calls then fails on the empty piece that ends every stream; tools join them as here.
 */
function joined(contents: readonly Content[]): Content[] {
  return [{ role: "model", parts: contents.flatMap((content) => content.parts ?? []) }];
}

/** The pieces of an answer, one for a whole one. */
async function piecesOf(
  session: ReturnType<GoogleGenAI["chats"]["create"]>,
  message: Part[],
  question: Question,
): Promise<GenerateContentResponse[]> {
  if (!question.streamed) return [await session.sendMessage({ message })];
  const pieces: GenerateContentResponse[] = [];
  for await (const piece of await session.sendMessageStream({ message })) {
    pieces.push(piece);
    if (textOf([piece], false)) question.onText?.();
  }
  return pieces;
}

const partsIn = (pieces: readonly GenerateContentResponse[]): Part[] =>
  pieces.flatMap((piece) => piece.candidates?.[0]?.content?.parts ?? []);

function textOf(pieces: readonly GenerateContentResponse[], isThought: boolean): string {
  return partsIn(pieces)
    .map((part) => ((part.thought === true) === isThought ? (part.text ?? "") : ""))
    .join("");
}

async function ask(target: { url: string; key: string }, question: Question): Promise<Answer> {
  const kept = keepHeaders();
  const httpOptions = { baseUrl: target.url, timeout: CLIENT_TIMEOUT_MS, fetch: kept.fetch };
  const client = new GoogleGenAI({ apiKey: target.key, httpOptions });
  const before = question.turns.slice(0, -1).flatMap(contentsOf);
  const last = question.turns.at(-1);
  if (!last || "said" in last) throw new Error("The last turn has to be the user's.");
  const session = client.chats.create({ model: question.model, config: configOf(question), history: before });
  const pieces = await piecesOf(session, partsOf(last), question);
  const usage = pieces.findLast((piece) => piece.usageMetadata)?.usageMetadata;
  const thinking = usage?.thoughtsTokenCount ?? 0;
  const finishes = pieces.flatMap((piece) => piece.candidates?.[0]?.finishReason ?? []);
  return {
    text: textOf(pieces, false),
    refusal: "",
    thinking: textOf(pieces, true),
    calls: partsIn(pieces).flatMap(({ functionCall: call }) =>
      call ? [{ id: call.id ?? "", name: call.name ?? "", args: call.args }] : [],
    ),
    finish: finishes.join("/") || FinishReason.FINISH_REASON_UNSPECIFIED,
    tokens: {
      input: usage?.promptTokenCount ?? -1,
      cacheRead: usage?.cachedContentTokenCount ?? 0,
      cacheWrite: 0,
      output: (usage?.candidatesTokenCount ?? 0) + thinking,
      thinking,
    },
    model: pieces.at(-1)?.modelVersion,
    headers: kept.headers(),
    said: joined(session.getHistory().slice(before.length + 1)),
  };
}

export const gemini: Driver = {
  surface: "gemini",
  ask,
  failure: (thrown) =>
    thrown instanceof ApiError ? { kind: thrown.name, status: thrown.status, message: thrown.message } : undefined,
};
