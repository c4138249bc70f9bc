import { randomInt } from "node:crypto";
import { InvalidArgument } from "../core/index.js";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Refuses what cannot be a container's name, in Docker's words. */
export function checkName(name: string): void {
  if (!NAME.test(name)) throw new InvalidArgument(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
}

const LOOKS = `amber ancient autumn azure basalt bright bronze calm cedar chalk clear cobalt copper coral crisp dappled deep drifting dusky eager early elder
  even fallow fern fine flint fresh frosted gentle gilded glassy golden granite green grey hazel high hollow indigo ivory jade keen late lean light lofty long
  loamy lunar marbled mellow mild misty mossy narrow new noble northern oaken ochre olive opal open pale pearly pine plain polar quick quiet ready red rosy rough
  russet sandy scarlet silent silver slate slow smooth soft solar southern stark steady still stony sunny swift tall tidal timber topaz true umber upland velvet
  verdant violet warm western white wide wild willow windy winter woven young`.trim().split(/\s+/);

/** Geologists, cartographers, foresters and others who knew what lies in layers. */
const PEOPLE = `agassiz agricola alcock anning arber arduino barrande bascom bellot berger bowen buckland carson caves cuvier dana daly davis desor dufour dutton
  eskola evans featherstonhaugh fouque gessner gilbert goldschmidt gould gressly hall haug hayden heezen heim hess hjulstrom holmes hooke hutton ipatieff
  jamieson jeffreys joly kaufmann keilhack king kuenen lapworth lehmann lyell mantell maury mawson mercator merian miller mohs murchison nicol oldham ortelius
  owen penck phillips playfair powell quensel ramsay richter romer rossi sedgwick smith sorby steno stopes suess tharp twenhofel umbgrove vine walcott walther
  wegener werner whewell woodward young zittel`.trim().split(/\s+/);

/** `mossy_hutton`; a number is added when `attempt` says that the first did not do. */
export function randomName(attempt: number): string {
  const pick = (words: readonly string[]): string => words[randomInt(words.length)]!;
  return `${pick(LOOKS)}_${pick(PEOPLE)}${attempt === 0 ? "" : randomInt(10 ** Math.min(attempt, 9))}`;
}
