/** Stems equal those of NLTK 3.8, whose values these are. */
import { expect, it } from 'vitest';
import { porterStem } from '../../src/rewards/porter.js';

const STEMS =
  'flies:fli dies:die died:die tied:tie skies:sky sky:sky dying:die news:news innings:inning ' +
  'enjoy:enjoy enjoyment:enjoy happy:happi happily:happili spy:spi play:play playing:play ' +
  'plays:play agreed:agre feed:feed plastered:plaster bled:bled motoring:motor sing:sing sings:sing ' +
  'conflated:conflat troubled:troubl sized:size hopping:hop tanned:tan falling:fall hissing:hiss ' +
  'fizzed:fizz failing:fail filing:file relational:relat conditional:condit rational:ration ' +
  'valency:valenc hesitancy:hesit digitizer:digit conformably:conform radically:radic ' +
  'differently:differ vilely:vile analogously:analog vietnamization:vietnam predication:predic ' +
  'operator:oper feudalism:feudal decisiveness:decis hopefulness:hope callousness:callous ' +
  'formality:formal sensitivity:sensit sensibility:sensibl triplicate:triplic formative:form ' +
  'formalize:formal electricity:electr electrical:electr hopeful:hope goodness:good revival:reviv ' +
  'allowance:allow inference:infer airliner:airlin gyroscopic:gyroscop adjustable:adjust ' +
  'defensible:defens irritant:irrit replacement:replac adjustment:adjust dependent:depend ' +
  'adoption:adopt homologous:homolog communism:commun activate:activ angularity:angular ' +
  'effective:effect bowdlerize:bowdler probate:probat rate:rate cease:ceas controlling:control ' +
  'roll:roll fully:fulli dreadfully:dread biology:biolog geology:geolog biologist:biologist ' +
  'proceed:proceed proceeding:proceed exceed:exceed succeed:succeed eating:eat ate:ate is:is as:as ' +
  'ing:ing bus:bu using:use generally:gener yes:ye by:by toy:toy syzygy:syzygi y:y';

it.each(STEMS.split(' ').map((pair) => pair.split(':') as [string, string]))(
  '%s has the stem %s',
  (word, stem) => {
    expect(porterStem(word)).toBe(stem);
  },
);
