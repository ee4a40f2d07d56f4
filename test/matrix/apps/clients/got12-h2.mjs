import got from 'got12';
import forms from './got-h2.cjs';

export default forms(got);
