import got from 'got14';
import forms from './got-h2.cjs';

export default forms(got);
